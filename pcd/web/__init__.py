"""What the daemon serves over HTTP: metrics and health for programs, one status page for people."""
