"""Wire: how bytes of the outside are read and written, whoever sends them."""
