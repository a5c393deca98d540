// Folders in the order in which mail programs show them.

const ROLES = ["inbox", "drafts", "sent", "archive", "junk", "trash"];

/**
 * Folders as a list in the order of their tree, each with its `depth` (0 at the top): known roles
 * first, then by name; a folder of an unknown parent stands at the top.
 */
export function ordered(folders) {
  const ids = new Set(folders.map(({ id }) => id));
  const below = (parentId, depth) =>
    folders
      .filter((each) => (ids.has(each.parentId) ? each.parentId : null) === parentId)
      .sort(byRoleAndName)
      .flatMap((each) => [{ ...each, depth }, ...below(each.id, depth + 1)]);
  return below(null, 0);
}

function byRoleAndName(one, other) {
  return rank(one) - rank(other) || one.displayName.localeCompare(other.displayName);
}

function rank({ role }) {
  const at = ROLES.indexOf(role);
  return at < 0 ? ROLES.length : at;
}
