"""The running controller: started, reloaded, stopped, examined."""
