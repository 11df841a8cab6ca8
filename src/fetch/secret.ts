// How those who fetch get at the user's secrets: by name, when they need one.

/** The text of a secret without the line end that files have; undefined when the user gave none of that name. */
export type ReadSecret = (id: string) => Promise<string | undefined>
