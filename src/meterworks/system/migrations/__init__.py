"""The one migration tree: every folder's tables, whichever engine holds them."""
