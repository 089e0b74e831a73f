"""The figures describe themselves: curves, limits, ticks, captions, images where they belong."""

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from minigan.experiments.paper import panel_columns
from minigan.experiments.plots import (
    Curve,
    Panel,
    code_ticks,
    grid_figure,
    information_figure,
    loss_figure,
    matrix_figure,
    save,
    subscript,
)
from minigan.infogan.codes import CategoricalCode, Code, CodeLayout, UniformCode

LAYOUT = CodeLayout.parse("Cat(10) + Uniform + Cat(4)")


def curve(label: str, objective: str = "infogan", steps: int = 1003, scale: float = 1.0) -> Curve:
    counted = np.arange(1, steps + 1)
    information = scale * np.stack([counted / steps, -counted / steps, 0.5 * counted / steps], 1)
    losses = np.stack([2.0 - counted / steps, 1.0 + counted / steps], 1)
    return Curve(label, objective, counted, information, losses)


def axes_of(figure: object) -> list[Axes]:
    return list(figure.axes)  # type: ignore[attr-defined]


def test_subscripts() -> None:
    assert [subscript(name) for name in ("c1", "c20", "c345")] == ["c₁", "c₂₀", "c₃₄₅"]


def test_information_by_kind_of_code() -> None:
    curves = [curve("one"), curve("two", scale=0.5), curve("plain", "gan", steps=7)]
    categorical, continuous = axes_of(information_figure(curves, LAYOUT, "Fig. 1"))
    assert categorical.get_title() == "c₁, c₃ (categorical, summed)"
    assert continuous.get_title() == "c₂ (continuous)"
    for axes, slope in ((categorical, 1.5), (continuous, -1)):
        *lines, limit = axes.get_lines()
        assert [line.get_label() for line in lines] == ["one", "two", "plain"]
        assert len({line.get_color() for line in lines}) == 3
        for line, scale, steps in zip(lines, (1, 0.5, 1), (1003, 1003, 7), strict=True):
            x, y = np.asarray(line.get_data(), np.float64)
            assert len(x) == min(steps, 200)  # means of windows, and of a straight line its points
            np.testing.assert_allclose(y, slope * scale * x / steps)
        codes = [code for code in LAYOUT if isinstance(code, UniformCode) == (axes is continuous)]
        attainable = sum(code.attainable for code in codes)
        assert np.asarray(limit.get_ydata(), np.float64) == pytest.approx(attainable)
        low, high = axes.get_ylim()
        assert low < attainable < high
    assert [text.get_text() for text in categorical.texts] == [f"H(c) = {math.log(40):.3f}"]
    assert [text.get_text() for text in continuous.texts] == ["the most with σ = 1: −0.226"]
    legend = categorical.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["one", "two", "plain"]


def test_losses_of_each_run_over_its_steps() -> None:
    curves = [curve("one"), curve("short", steps=7)]
    panels = axes_of(loss_figure(curves, "Losses"))
    assert [axes.get_title() for axes in panels] == ["one", "short"]
    for axes, steps in zip(panels, (1003, 7), strict=True):
        discriminator, generator = axes.get_lines()
        assert [discriminator.get_label(), generator.get_label()] == ["D", "G"]
        x, y = np.asarray(discriminator.get_data(), np.float64)
        np.testing.assert_allclose(y, 2 - x / steps)
        x, y = np.asarray(generator.get_data(), np.float64)
        np.testing.assert_allclose(y, 1 + x / steps)


def test_the_names_of_losses_stand_above_the_curves() -> None:
    figure = loss_figure([curve("one")], "Losses")
    figure.draw_without_rendering()
    (axes,) = axes_of(figure)
    legend = axes.get_legend()
    assert legend is not None
    names, caption = legend.get_window_extent(), axes.title.get_window_extent()
    assert names.y0 >= axes.bbox.y1 and names.x1 <= figure.bbox.x1
    assert not names.overlaps(caption)


def test_a_narrow_panel_below_wide_ones_leaves_no_blank_band() -> None:
    """Twenty categories above ten values: all images have one size, and the rows stand close."""
    figure = grid_figure([panel("c₁", 4, 20), panel("c₂", 4, 10)], "Fig. 4")
    figure.draw_without_rendering()
    wide, narrow = (axes.get_window_extent() for axes in axes_of(figure))
    assert narrow.width / wide.width == pytest.approx(49 / 99, rel=0.1)
    assert wide.y0 - narrow.y1 < 0.6 * narrow.height
    # centred
    assert (narrow.x0 + narrow.x1) / 2 == pytest.approx((wide.x0 + wide.x1) / 2, abs=3)


def test_a_last_panel_alone_is_centred() -> None:
    figure = grid_figure([panel(f"c{i}", 3, 5) for i in range(3)], "Fig. 2")
    figure.draw_without_rendering()
    left, right, last = (axes.get_window_extent() for axes in axes_of(figure))
    assert (last.x0 + last.x1) / 2 == pytest.approx((left.x0 + right.x1) / 2, abs=3)
    assert last.width == pytest.approx(left.width, rel=0.05)


def test_a_wide_last_panel_alone_fills_the_page() -> None:
    panels = [panel(f"c{i}", 3, 10) for i in range(2)]
    figure = grid_figure([*panels, panel("c3", 3, 20)], "Fig. 2")
    figure.draw_without_rendering()
    left, right, last = (axes.get_window_extent() for axes in axes_of(figure))
    assert left.y0 == pytest.approx(right.y0)
    assert last.x0 == pytest.approx(left.x0, abs=3)
    assert last.x1 == pytest.approx(right.x1, abs=3)
    assert last.y1 < left.y0


CAT10, CAT20, UNIFORM = CategoricalCode(10), CategoricalCode(20), UniformCode()


@pytest.mark.parametrize(
    ("codes", "columns"),
    [
        ([CAT10, UNIFORM, UNIFORM], [10, 10, 20]),  # of MNIST
        ([UNIFORM] * 5, [10, 10, 10, 10, 20]),  # of faces
        ([*[CAT20] * 4, UNIFORM], [20] * 5),  # of chairs
        ([*[CAT10] * 4, UNIFORM, UNIFORM], [10] * 6),  # of SVHN
        ([UNIFORM], [10]),
        ([CAT10] * 3, [10] * 3),
    ],
)
def test_continuous_codes_take_the_values_that_fill_the_page(
    codes: list[Code], columns: list[int]
) -> None:
    assert [panel_columns(codes, i, None) for i in range(len(codes))] == columns
    chosen = [panel_columns(codes, i, 7) for i in range(len(codes))]
    assert chosen == [7 if code == UNIFORM else code.size for code in codes]  # type: ignore[union-attr]


def test_information_of_one_kind_has_one_panel() -> None:
    short = Curve("one", "infogan", np.array([1]), np.zeros((1, 2)), np.zeros((1, 2)))
    (axes,) = axes_of(information_figure([short], CodeLayout.parse("2*Cat(5)"), ""))
    assert axes.get_title() == "c₁, c₂ (categorical, summed)"
    (axes,) = axes_of(information_figure([short], CodeLayout.parse("2*Uniform"), ""))
    assert axes.get_title() == "c₁, c₂ (continuous, summed)"


def test_ticks_stand_at_the_columns_of_their_values() -> None:
    assert code_ticks(CategoricalCode(3), 3, 2.0) == [(0, "0"), (1, "1"), (2, "2")]
    ticks = code_ticks(UniformCode(), 9, 2.0)
    assert ticks == [(0, "−2"), (2, "−1"), (4, "0"), (6, "1"), (8, "2")]
    places, texts = zip(*code_ticks(UniformCode(), 10, 1.5), strict=True)
    assert texts == ("−1.5", "−1", "0", "1", "1.5")
    assert places == pytest.approx([0, 1.5, 4.5, 7.5, 9])
    assert [text for _, text in code_ticks(UniformCode(), 4, 100.0)] == ["−100", "0", "100"]
    assert len(code_ticks(UniformCode(), 1, 2.0)) == len(code_ticks(UniformCode(), 5, 0.0)) == 1


def panel(caption: str, rows: int, columns: int, channels: int = 1, side: int = 4) -> Panel:
    images = np.random.default_rng(0).uniform(-1, 1, (rows, columns, side, side, channels))
    return Panel(caption, images, -1.0, [(0.0, "0"), (columns - 1.0, "last")])


@pytest.mark.parametrize("channels", [1, 3])
def test_panels_hold_their_images_and_captions(channels: int) -> None:
    panels = [panel(name, 3, 5, channels) for name in ("c₁", "c₂", "c₃")]
    figure = grid_figure(panels, "title")
    axes = axes_of(figure)
    assert [a.get_title() for a in axes] == ["(a)  c₁", "(b)  c₂", "(c)  c₃"]
    for one, source in zip(axes, panels, strict=True):
        picture = np.asarray(one.get_images()[0].get_array())
        assert picture.shape[:2] == (3 * 5 - 1, 5 * 5 - 1)
        last = picture[-4:, -4:].reshape(4, 4, channels)
        np.testing.assert_array_equal(last, np.round((source.images[2, 4] + 1) / 2 * 255))
        assert one.get_xticks() == pytest.approx([1.5, 21.5])  # the middles of four pixels
        assert [t.get_text() for t in one.get_xticklabels()] == ["0", "last"]
    left, right, below = (a.get_subplotspec() for a in axes)
    assert left is not None and right is not None and below is not None
    assert left.rowspan.start == right.rowspan.start == 0
    assert below.rowspan.start == 1
    # one alone has no letter, wide ones a row each
    assert axes_of(grid_figure([panel("c₁", 1, 2)], ""))[0].get_title() == "c₁"
    wide = [a.get_subplotspec() for a in axes_of(grid_figure([panel("", 2, 20)] * 2, ""))]
    assert [spec.rowspan.start for spec in wide if spec is not None] == [0, 1]


def test_nothing_is_cut_off_or_covered() -> None:
    """As drawn: all texts within the page, and no panel's caption or ticks upon another's."""
    for figure in (
        grid_figure([panel(f"c{i} from −2 to 2", 5, 10) for i in range(6)], "Fig. 5   " + "x" * 60),
        grid_figure([panel("c₁ over all categories", 2, 20, side=8)] * 3, "wide"),
        information_figure([curve("InfoGAN, seed 0"), curve("plain GAN, seed 0", "gan")], LAYOUT, "t"),
        matrix_figure(np.eye(3), [["1,234"] * 3] * 3, ("code", "abc"), ("factor", ["azimuth"] * 3), "t"),
    ):  # fmt: skip
        figure.draw_without_rendering()
        page = figure.bbox
        boxes = [a.get_tightbbox() for a in axes_of(figure)]
        assert all(box is not None for box in boxes)
        for i, box in enumerate(boxes):
            assert box is not None
            assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1
            for other in boxes[:i]:
                assert other is not None
                assert not box.shrunk(0.98, 0.98).overlaps(other)


def test_a_matrix_says_what_it_holds() -> None:
    shares = np.array([[0.0, 1.0], [0.5, 0.25], [0.9, 0.1]])
    texts = [["a", "b"], ["c", "d"], ["e", "f"]]
    (axes,) = axes_of(
        matrix_figure(shares, texts, ("code", "123"), ("factor", ["x", "y"]), "title")
    )
    found = {(int(t.get_position()[1]), int(t.get_position()[0])): t for t in axes.texts}
    assert {place: t.get_text() for place, t in found.items()} == {
        (row, column): texts[row][column] for row, column in np.ndindex(3, 2)
    }
    assert (found[0, 1].get_color(), found[0, 0].get_color()) == ("white", "black")
    np.testing.assert_array_equal(np.asarray(axes.get_images()[0].get_array()), shares)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["1", "2", "3"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("code", "factor")


def test_png_and_pdf_are_the_same_each_time(tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        figure = grid_figure([panel("c₁", 2, 3)], "title")
        paths = save(figure, tmp_path / "fig2.1-codes")
        assert [path.name for path in paths] == ["fig2.1-codes.png", "fig2.1-codes.pdf"]
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]
    assert contents[0][1].startswith(b"%PDF")
    assert b"CreationDate" not in contents[0][1]
    with Image.open(tmp_path / "fig2.1-codes.png") as picture:
        assert picture.width > 800
    assert len(list(tmp_path.iterdir())) == 2


def test_a_title_longer_than_its_figure_is_wide_goes_on_in_a_second_line() -> None:
    curves = [Curve("one", "infogan", np.array([1, 2]), np.zeros((2, 1)), np.zeros((2, 2)))]
    figure = information_figure(curves, CodeLayout.parse("Cat(10)"), "a long title " * 8)
    figure.draw_without_rendering()
    left, _, right, _ = figure._suptitle.get_window_extent().extents
    assert left >= 0
    assert right <= figure.bbox.width
