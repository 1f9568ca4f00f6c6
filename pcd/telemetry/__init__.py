"""What the daemon tells about itself: a log that reads like a story, metrics, a heartbeat."""
