"""The stores: everything that Mailsync writes to Postgres. One transaction writes a page's rows and
its cursor, so a repeated page changes nothing."""
