"""From a configuration of nginx, its push-stream module or nchan, to one of this broker."""
