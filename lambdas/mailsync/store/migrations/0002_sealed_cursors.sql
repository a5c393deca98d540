-- migrate:up

-- A link to the next page of changes carries a token of the provider; nobody is to read it here.
alter table mailsync.folder_cursors
  drop column cursor,
  add column cursor_key_id bigint references mailsync.data_keys,
  add column cursor_sealed bytea,
  add constraint sealed_with_a_key check ((cursor_key_id is null) = (cursor_sealed is null));

-- Links in the clear cannot be sealed from here, so each folder is walked once more.
update mailsync.folder_cursors set walk = walk + 1, walking = true;

-- migrate:down
alter table mailsync.folder_cursors
  drop column cursor_sealed, drop column cursor_key_id, add column cursor text;
