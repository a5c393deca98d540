"""Write everything that Mailsync stores in Postgres. One transaction writes the rows of a page
together with the cursor after it, so storing a page twice changes nothing."""
