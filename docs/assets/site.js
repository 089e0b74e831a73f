// The theme gives its search dialog no name, which a screen reader would say.
document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
