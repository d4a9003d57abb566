"""Starts an OData sandbox from the command line."""

from workers.sandbox.odata.serve import main

main()
