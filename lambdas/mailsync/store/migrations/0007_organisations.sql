-- migrate:up

-- An organisation may let the application read its mailboxes. Then nobody's grant is stored: an
-- access token is asked for in the organisation's name.
alter table mailsync.email_credentials
  alter column grant_key_id drop not null,
  alter column grant_sealed drop not null,
  add column organisation_id text,
  add constraint grant_or_organisation check ((grant_sealed is null) <> (organisation_id is null)),
  add constraint grant_sealed_with_a_key check ((grant_key_id is null) = (grant_sealed is null));

-- migrate:down
delete from mailsync.email_credentials where organisation_id is not null;
alter table mailsync.email_credentials
  drop constraint grant_sealed_with_a_key, drop constraint grant_or_organisation,
  drop column organisation_id,
  alter column grant_sealed set not null, alter column grant_key_id set not null;
