"""How many bytes a reader's own model costs: her checkpoints, opened without running anything, through every codec."""
