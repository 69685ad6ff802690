"""Write paths: how the same bytes go to many connections, in as few system calls as can be."""
