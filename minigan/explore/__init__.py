"""A page to explore a trained InfoGAN by hand: its codes, what D says of a picture, and what Q reads in it."""
