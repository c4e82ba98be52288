"""The source connector's configuration: its keys, the checks across them, and the options made of them."""
