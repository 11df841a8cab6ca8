// The predefined proxy arguments: they reach every RUN without ARG, in both spellings, and no cache key.
import type { PlanOptions } from './types.ts'

const names = ['http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy', 'all_proxy']

/** Whether `key` is one of the proxy variables, in any case. */
export function isProxyName(key: string): boolean {
  return names.includes(key.toLowerCase())
}

/** `HTTP_PROXY=…`, `http_proxy=…` for each proxy that build args name. */
export function predefinedProxies({ buildArgs }: PlanOptions): string[] {
  const values = new Map<string, string>()
  // Sorted, so that of HTTP_PROXY and http_proxy the same one wins whatever the order of the flags.
  for (const key of Object.keys(buildArgs).sort()) {
    if (isProxyName(key)) values.set(key.toLowerCase(), buildArgs[key] ?? '')
  }
  return names.flatMap((name) => {
    const value = values.get(name)
    return value ? [`${name.toUpperCase()}=${value}`, `${name}=${value}`] : []
  })
}
