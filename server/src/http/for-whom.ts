/** What the document says of routes that aren't for everybody: for who shows a token or a key. */
export const forPeople = [{ token: [] }, { key: [] }];

/** For who is logged in: a key won't do. */
export const forUsers = [{ token: [] }];
