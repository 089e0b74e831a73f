"""minigan against PyTorch's OpInfo database: values and gradients of its samples."""
