// SPDX-License-Identifier: Apache-2.0
/**
 * Reads JSON as strictly as its standard asks for. Start with {@link
 * dev.offmeter.internal.json.Json}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.json;
