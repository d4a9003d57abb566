"""NetSuite: the SuiteTalk REST record API, keyed by external ids so that nothing is posted twice."""
