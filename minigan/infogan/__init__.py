"""InfoGAN (Chen et al. 2016): codes, networks, objective, training, evaluation."""
