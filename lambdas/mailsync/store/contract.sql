-- Drop what only functions of the version before need. Run by `python -m mailsync.migrate --contract`
-- when none of them is left, never by a deployment; a repetition changes nothing.
drop trigger if exists copy_placement on mailsync.emails;
drop function if exists mailsync.copy_placement();
drop trigger if exists copy_placement on mailsync.email_quarantine;
drop function if exists mailsync.copy_quarantine_placement();
drop trigger if exists name_account on mailsync.change_feeds;
drop function if exists mailsync.name_account_of_feed();
drop view if exists mailsync.folder_cursors;
