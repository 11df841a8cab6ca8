// The names of all instructions, for what is said of words that are nearly one or stand where one should not.
import type { Instruction } from './ast.ts'

/** The usual ones come first: of equally near suggestions the first one wins. */
export const instructionNames: readonly string[] = [
  'FROM',
  'RUN',
  'COPY',
  'ENV',
  'ARG',
  'CMD',
  'ADD',
  'ENTRYPOINT',
  'WORKDIR',
  'EXPOSE',
  'USER',
  'LABEL',
  'VOLUME',
  'HEALTHCHECK',
  'SHELL',
  'STOPSIGNAL',
  'MAINTAINER',
  'ONBUILD',
] satisfies readonly Instruction['kind'][]
