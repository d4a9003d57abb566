"""The sandbox of Dataverse: sales orders over the Web API, with unique keys and service protection limits."""
