// SPDX-License-Identifier: Apache-2.0

/** Must not compile; see ModulePathTest. */
module intruder {
  requires dev.offmeter;
}
