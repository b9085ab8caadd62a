"""How x264 is set so that it writes the same bytes on every machine."""

PARAMS = "cpu-independent=1:asm=AVX2"
"""Leave out what depends on the processor, and AVX-512: with it x264 165 gives other bytes from one run to the next."""
