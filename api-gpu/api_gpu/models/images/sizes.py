"""What the graphs and what stands around them agree on."""

CROP, CANVAS = 224, 256  # the shorter side becomes 256 pixels, and the middle 224 are kept
HASHED, KEPT = 32, 8  # the side of the picture that is hashed, and of the block of low frequencies that is kept
