"""Every scenario twice: a loop on the bare client library, and the same loop on `IBKRBroker`.

`python -m bad_days` in this folder's parent writes the page of the documentation.
"""
