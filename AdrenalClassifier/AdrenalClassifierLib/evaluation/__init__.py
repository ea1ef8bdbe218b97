"""How good predictions are: every figure with its interval, its method and, where it is not defined, the reason."""
