// Who the step's process is: USER as docker reads it, with /etc/passwd and /etc/group of the image. Numbers are decimal
// 0..2^32-2; anything else is a name.
import { bytesOf, textOf } from '../core/byte-string.ts'
import { SlipwayError } from '../core/error.ts'
import type { MergedTree } from '../snapshot/merged-tree.ts'

export interface ImageUser {
  readonly uid: number
  readonly gid: number
  /** With the primary group. */
  readonly groups: readonly number[]
  /** By passwd, `/` without one. */
  readonly home: string
}

const maxFileBytes = 10 << 20
const maxGroups = 256

/** Looks `user[:group]` up (names or numbers, empty is 0) in the root file system. Throws ERR_SANDBOX_USER. */
export function findUser(spec: string, root: MergedTree): ImageUser {
  const { groups, ...user } = findIds(spec, root)
  // The primary group is one of the supplementary ones, as after a login; without that, giving it up by newgrp would
  // gain what a group is denied (CVE-2022-36109).
  return { ...user, groups: groups.includes(user.gid) ? groups : [...groups, user.gid] }
}

/** OCI runtimes read these whatever the user: a pipe there would hold runc up for ever. Throws ERR_SANDBOX_USER. */
export function checkUserFiles(root: MergedTree): void {
  for (const path of ['/etc/passwd', '/etc/group']) {
    const type = root.lookup(path, { follow: true })?.type
    if (type !== undefined && type !== 'file') {
      throw userError(`look up user ${path}: it is not a regular file, which OCI runtimes read`)
    }
  }
}

function findIds(spec: string, root: MergedTree): ImageUser {
  const colon = spec.indexOf(':')
  const wantedUser = bytesOf(colon === -1 ? spec : spec.slice(0, colon)) || '0'
  const wantedGroup = colon === -1 ? '' : bytesOf(spec.slice(colon + 1))
  const [uid, gid] = [idOf(wantedUser), idOf(wantedGroup)]
  if (uid !== undefined && gid !== undefined) return { uid, gid, groups: [], home: homeOf(uid, root) }
  try {
    return lookUp(wantedUser, wantedGroup, readTable(root, '/etc/passwd'), readTable(root, '/etc/group'))
  } catch (thrown) {
    // Nobody asked for anything but root, who needs no files.
    if (spec === '') return { uid: 0, gid: 0, groups: [], home: '/' }
    throw thrown
  }
}

/** The fields of each line, as byte strings. */
type Table = () => Iterable<readonly string[]>

function lookUp(wantedUser: string, wantedGroup: string, passwd: Table, group: Table): ImageUser {
  const found = findEntry(passwd, wantedUser, 2)
  const uid = idOf(found?.[2]) ?? idOf(wantedUser)
  if (uid === undefined) throw unknown('user', wantedUser, 'passwd')
  const home = homeIn(found)
  if (wantedGroup !== '') return { uid, gid: findGroup(wantedGroup, group), groups: [], home }
  // Other groups only count while the user did not choose one.
  const groups = found === undefined ? [] : groupsOf(found[0] ?? '', group)
  return { uid, gid: idOf(found?.[3]) ?? 0, groups, home }
}

/** The first entry of that name or number; what has no numbers in its `ids` fields behind the first two is none. */
function findEntry(table: Table, wanted: string, ids: number): readonly string[] | undefined {
  const number = idOf(wanted)
  for (const fields of table()) {
    if (fields.slice(2, 2 + ids).filter((field) => idOf(field) !== undefined).length !== ids) continue
    if (fields[0] === wanted || (number !== undefined && idOf(fields[2]) === number)) return fields
  }
  return undefined
}

function groupsOf(user: string, group: Table): number[] {
  const groups: number[] = []
  for (const [, , gid, members] of group()) {
    // One place is kept for the primary group.
    if (groups.length === maxGroups - 1) break
    const id = idOf(gid)
    if (id !== undefined && members?.split(',').includes(user)) groups.push(id)
  }
  return groups
}

function findGroup(wanted: string, group: Table): number {
  const gid = idOf(findEntry(group, wanted, 1)?.[2]) ?? idOf(wanted)
  if (gid === undefined) throw unknown('group', wanted, 'group')
  return gid
}

/** HOME comes from passwd even when both ids were given as numbers. */
function homeOf(uid: number, root: MergedTree): string {
  try {
    for (const fields of readTable(root, '/etc/passwd')()) if (idOf(fields[2]) === uid) return homeIn(fields)
    return '/'
  } catch {
    // A passwd that cannot be read only matters to those who name a user.
    return '/'
  }
}

/** As much of it as fits a variable of the environment and a path. */
function homeIn(entry: readonly string[] | undefined): string {
  return textOf(entry?.[5]?.split('\0')[0]?.slice(0, 4095) || '/')
}

/** 2^32-1 means "no change" to setuid(2). */
function idOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined
  const id = Number(text)
  return id < 0xffffffff ? id : undefined
}

/** The entries, none when the file is missing. An image may hold millions: they are never all there at once. */
function readTable(root: MergedTree, path: string): Table {
  const entry = root.lookup(path, { follow: true })
  if (entry === undefined) return () => []
  if (entry.type !== 'file') throw userError(`look up user ${path}: it is not a regular file`)
  if (entry.size > maxFileBytes) throw userError(`look up user ${path}: it is larger than 10 MiB`)
  const text = root.readFile(path, maxFileBytes)?.toString('latin1') ?? ''
  return function* () {
    for (let at = 0; at < text.length; ) {
      const end = text.indexOf('\n', at)
      const line = text.slice(at, end === -1 ? text.length : end)
      at += line.length + 1
      if (line !== '' && !line.startsWith('#')) yield line.split(':', 8)
    }
  }
}

function unknown(kind: 'user' | 'group', name: string, file: string): SlipwayError {
  return userError(
    `unable to find ${kind} ${textOf(name.slice(0, 300))}: no matching entries in ${file} file`,
  )
}

function userError(message: string): SlipwayError {
  return new SlipwayError({ code: 'ERR_SANDBOX_USER', message })
}
