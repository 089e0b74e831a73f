"""What surrounds a training run: its directory, checkpoints, evaluation, sweeps and figures."""
