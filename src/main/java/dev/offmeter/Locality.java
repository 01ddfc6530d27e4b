// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

/** On whose hardware an endpoint runs. */
public enum Locality {
  /** Your own hardware, or a machine that you rent, or this process. */
  SELF_HOSTED,
  /** Somebody else's API: prompts leave your hands, and it may bill. */
  MANAGED
}
