"""Work that is due by the clock: the cron lines of the configuration, their state kept in PostgreSQL."""
