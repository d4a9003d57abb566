"""The sandbox ERP: speaks NetSuite's REST record API over HTTP, throttles, fails on request and keeps its own log."""
