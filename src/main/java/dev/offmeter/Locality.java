// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

/** The owner of the hardware on which an endpoint runs. */
public enum Locality {
  /** Your own hardware, a machine that you rent, or this process. */
  SELF_HOSTED,
  /** Somebody else's API: prompts leave your hands, and it may bill. */
  MANAGED
}
