"""The demo: a flash sale told by webhooks, the weather over the ERP, and the proof of what became of every order."""
