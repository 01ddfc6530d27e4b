// SPDX-License-Identifier: Apache-2.0
/**
 * Turns records into JSON schemas, and answers into records. Start with {@link
 * dev.offmeter.internal.schema.RecordSchema}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.schema;
