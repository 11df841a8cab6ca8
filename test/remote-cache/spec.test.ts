// What --cache-to and --cache-from are understood to ask for, and what is refused by name.
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseReference } from '../../src/core/reference.ts'
import * as spec from '../../src/remote-cache/spec.ts'

const parseCacheSource = (text: string, environment = {}) => spec.parseCacheSource(text, environment).source
const parseCacheTarget = (text: string, environment = {}) => spec.parseCacheTarget(text, environment)

const messageOf = (act: () => unknown): string => {
  try {
    act()
    return 'accepted'
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown)
  }
}

describe('--cache-to and --cache-from', () => {
  it('take a bare reference for a registry', () => {
    const ref = parseReference('localhost:5000/app:cache')
    expect(parseCacheSource('localhost:5000/app:cache')).toEqual({ type: 'registry', ref, insecure: false })
    expect(parseCacheTarget('localhost:5000/app:cache').place).toEqual({
      type: 'registry',
      ref,
      insecure: false,
      form: { imageManifest: true, mediaTypes: 'oci' },
    })
  })

  it('know what buildx knows', () => {
    expect(
      parseCacheTarget(
        'type=registry,ref=r.io/a:b,mode=max,image-manifest=false,oci-mediatypes=false,compression=gzip,compression-level=9,force-compression=true,registry.insecure=true,ignore-error=false',
      ),
    ).toEqual({
      place: {
        type: 'registry',
        ref: parseReference('r.io/a:b'),
        insecure: true,
        form: { imageManifest: false, mediaTypes: 'docker' },
      },
      mode: 'max',
      required: true,
      compression: 'gzip',
      compressionLevel: 9,
      forceCompression: true,
      mounts: [],
    })
    expect(parseCacheTarget('type=local,dest=out,tag=t,reset=true')).toMatchObject({
      place: { type: 'local', directory: resolve('out'), tag: 't', reset: true },
      mode: 'min',
      required: false,
    })
    expect(parseCacheSource('type=local,src=/c')).toEqual({ type: 'local', directory: '/c', tag: 'latest' })
    expect(parseCacheTarget('type=inline').place).toEqual({ type: 'inline' })
  })

  it.each([
    ['type=registry', 'ref is missing'],
    ['type=registry,ref=a,mode=most', 'mode must be min or max, not "most"'],
    ['type=registry,ref=a,refs=b', 'unknown key "refs" for type=registry'],
    ['type=registry,ref=a,ref=b', 'ref is given twice'],
    ['type=ftp', 'unknown type "ftp"'],
    ['type=azblob,name=x', 'type=azblob is not supported'],
    ['ref=a', 'type is missing'],
    ['type=local', 'dest is missing'],
    ['type=local,dest=x,reset=maybe', 'reset must be true or false, not "maybe"'],
    ['type=inline,mode=max', 'an inline cache has only what is in the image'],
    [
      'type=registry,ref=a,oci-mediatypes=false,image-manifest=true',
      'image-manifest=true needs OCI media types',
    ],
    ['type=registry,ref=a,compression=lzma', 'compression must be gzip or zstd or uncompressed, not "lzma"'],
    ['type=registry,ref=a,compression-level=12', 'compression-level must be 0 to 9, not "12"'],
    ['', 'it is empty'],
  ])('refuse %s', (text, message) => {
    expect(messageOf(() => parseCacheTarget(text))).toBe(
      `read --cache-to ${JSON.stringify(text)}: ${message}`,
    )
  })

  it('take what is not said of S3 and GitHub from the environment', () => {
    const aws = {
      AWS_REGION: 'r',
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'key',
      AWS_SESSION_TOKEN: 's',
    }
    expect(
      parseCacheSource(
        'type=s3,bucket=b,prefix=p/,name=a;b,use_path_style=true,endpoint_url=http://x:1',
        aws,
      ),
    ).toEqual({
      type: 's3',
      place: {
        bucket: 'b',
        region: 'r',
        names: ['a', 'b'],
        prefix: 'p/',
        blobsPrefix: 'blobs/',
        manifestsPrefix: 'manifests/',
        endpoint: 'http://x:1',
        usePathStyle: true,
        uploads: 4,
        touchMs: 86_400_000,
      },
      credentials: { accessKeyId: 'id', secretAccessKey: 'key', sessionToken: 's' },
    })
    const run = {
      ACTIONS_CACHE_SERVICE_V2: 'True',
      ACTIONS_RESULTS_URL: 'https://r/',
      ACTIONS_RUNTIME_TOKEN: 't',
    }
    expect(parseCacheTarget('type=gha,mode=max,scope=x', run).place).toEqual({
      type: 'gha',
      place: { url: 'https://r/', token: 't', scope: 'x', api: 2 },
    })
    expect(messageOf(() => parseCacheTarget('type=gha', { ACTIONS_CACHE_URL: 'https://c/' }))).toMatch(
      /token is missing$/,
    )
    expect(messageOf(() => parseCacheTarget('type=s3,bucket=b,secret_access_key=hidden,regio=x'))).toBe(
      'read --cache-to "type=s3,bucket=b,secret_access_key=xxxxx,regio=x": unknown key "regio" for type=s3',
    )
  })

  it('say how an inline cache is read', () => {
    expect(messageOf(() => parseCacheSource('type=inline'))).toBe(
      'read --cache-from "type=inline": an inline cache is read by the name of its image',
    )
  })
})
