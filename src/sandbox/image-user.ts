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

type Table = readonly (readonly string[])[]

function lookUp(wantedUser: string, wantedGroup: string, passwd: Table, group: Table): ImageUser {
  const number = idOf(wantedUser)
  const found = passwd.find(
    ([name, , uid, gid]) =>
      idOf(uid) !== undefined &&
      idOf(gid) !== undefined &&
      (name === wantedUser || (number !== undefined && idOf(uid) === number)),
  )
  const uid = idOf(found?.[2]) ?? number
  if (uid === undefined) throw unknown('user', wantedUser, 'passwd')
  const home = homeIn(found)
  if (wantedGroup !== '') return { uid, gid: findGroup(wantedGroup, group), groups: [], home }
  // Other groups only count while the user did not choose one.
  const groups = group
    .filter(([, , , members]) => found !== undefined && members?.split(',').includes(found[0] ?? ''))
    .flatMap(([, , gid]) => idOf(gid) ?? [])
    .slice(0, maxGroups - 1)
  return { uid, gid: idOf(found?.[3]) ?? 0, groups, home }
}

function findGroup(wanted: string, group: Table): number {
  const number = idOf(wanted)
  const found = group.find(
    ([name, , gid]) =>
      idOf(gid) !== undefined && (name === wanted || (number !== undefined && idOf(gid) === number)),
  )
  const gid = idOf(found?.[2]) ?? number
  if (gid === undefined) throw unknown('group', wanted, 'group')
  return gid
}

/** HOME comes from passwd even when both ids were given as numbers. */
function homeOf(uid: number, root: MergedTree): string {
  try {
    return homeIn(readTable(root, '/etc/passwd').find(([, , id]) => idOf(id) === uid))
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

/** The fields of every line, as byte strings; none when the file is missing. */
function readTable(root: MergedTree, path: string): Table {
  const entry = root.lookup(path, { follow: true })
  if (entry === undefined) return []
  if (entry.type !== 'file') throw userError(`look up user ${path}: it is not a regular file`)
  if (entry.size > maxFileBytes) throw userError(`look up user ${path}: it is larger than 10 MiB`)
  const text = root.readFile(path, maxFileBytes)?.toString('latin1') ?? ''
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'))
}

function unknown(kind: 'user' | 'group', name: string, file: string): SlipwayError {
  return userError(
    `unable to find ${kind} ${textOf(name.slice(0, 300))}: no matching entries in ${file} file`,
  )
}

function userError(message: string): SlipwayError {
  return new SlipwayError({ code: 'ERR_SANDBOX_USER', message })
}
