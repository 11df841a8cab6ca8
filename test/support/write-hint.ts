// Hints written the simple way, where no store is open.
import { writeFileSync } from 'node:fs'
import type { WriteHint } from '../../src/store/hints.ts'

export const writeHint: WriteHint = (path, content) => writeFileSync(path, content)
