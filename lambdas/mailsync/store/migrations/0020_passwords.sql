-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- A mail server may ask for a password instead of an access token. An account has one of the three:
-- a person's grant, an organisation's permission, a password. No policy lets a reader see the table.
alter table mailsync.email_credentials
  add column password_key_id bigint references mailsync.data_keys,
  add column password_sealed bytea,
  drop constraint grant_or_organisation,
  add constraint grant_organisation_or_password
    check (num_nonnulls(grant_sealed, organisation_id, password_sealed) = 1),
  add constraint password_sealed_with_a_key
    check ((password_key_id is null) = (password_sealed is null));

-- migrate:down
delete from mailsync.email_credentials where password_sealed is not null;
alter table mailsync.email_credentials
  drop column password_key_id, drop column password_sealed,
  add constraint grant_or_organisation check ((grant_sealed is null) <> (organisation_id is null));
