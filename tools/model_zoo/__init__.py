"""Which configs of the installed mmseg train with a robust loss: two steps each, shrunk, on the CPU."""
