// Property tests try other values at every run, but the same ones in CI: what is found there must be found again.
import fc from 'fast-check'

if (process.env.CI) fc.configureGlobal({ seed: 0x511b_a1 })
