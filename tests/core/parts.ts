/** Reading a part of a tensor's elements from a device, of every type that it stores. */
import { type Device, type DType, onDevice, tensor } from "@unitune/core";

const dtypes: readonly DType[] = ["f32", "i32", "u32", "bool", "bf16", "f16"];

/** Odd places, of which two of 16 bits are in a word, and places in several pieces of 64 elements. */
const parts = [[0, 0], [300, 300], [0, 1], [1, 2], [3, 130], [127, 129], [299, 300], [0, 300]];

/** The parts that are read other than the whole has them; none is right. */
export async function wrongParts(device: Device): Promise<string[]> {
  const wrong: string[] = [];
  for (const dtype of dtypes) {
    const numbers = Array.from({ length: 300 }, (_, i) => dtype === "bool" ? i % 3 % 2 : i);
    const x = onDevice(tensor(numbers, { dtype }), device);
    const whole = await x.data();
    for (const [begin = NaN, end = NaN] of parts) {
      const part = await x.data({ begin, end });
      const isRight = part.constructor === whole.constructor &&
        part.join() === whole.slice(begin, end).join();
      if (!isRight) wrong.push(`${dtype} ${begin} ${end}: ${part.join()}`);
    }
  }
  return wrong;
}
