// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

/** Who speaks in a {@link Message}. */
public enum Role {
  /** Instructions that frame the whole conversation. */
  SYSTEM,
  /** The person, or the application acting for one. */
  USER,
  /** An earlier answer of the model. */
  ASSISTANT,
  /** What a tool gave back that the model had called. */
  TOOL
}
