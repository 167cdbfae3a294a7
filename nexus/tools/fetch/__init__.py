"""Pages from the web, fetched so that no address of this machine or its network can be reached."""
