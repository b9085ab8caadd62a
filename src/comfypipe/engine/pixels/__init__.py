"""Pixel arithmetic on numpy arrays, bit for bit as PyTorch and Pillow do it where that is known; knows no nodes."""
