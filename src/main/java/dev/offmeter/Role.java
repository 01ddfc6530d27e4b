// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

/** The speaker of a {@link Message}. */
public enum Role {
  /** Instructions that frame the whole conversation. */
  SYSTEM,
  /** The person, or the application acting for one. */
  USER,
  /** An earlier answer of the model. */
  ASSISTANT,
  /** The result of a tool that the model called. */
  TOOL
}
