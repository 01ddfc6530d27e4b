// SPDX-License-Identifier: Apache-2.0

/** An application on the module path; see ModulePathTest. */
module consumer {
  requires dev.offmeter;

  opens consumer to
      dev.offmeter;
}
