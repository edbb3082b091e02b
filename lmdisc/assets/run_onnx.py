"""Landmarks of one picture by a detector that `lmdisc` exported. Needs onnxruntime, numpy and Pillow alone.

    python run_onnx.py detector.onnx picture.jpg                    the object fills the picture
    python run_onnx.py detector.onnx picture.jpg x0 y0 x1 y1        it is in this box, px, pixel centres at integers

Prints name,x,y,score,seen and writes picture_landmarks.png where you are: dots where a landmark is seen, rings where it is not."""
import csv, json, os, sys
import numpy as np, onnxruntime
from PIL import Image, ImageDraw, ImageOps


def read_picture(path):
    "Any picture, upright, as uint8 (H, W, 3); white under what is transparent."
    try: opened = Image.open(path)
    except OSError as e: sys.exit(f"{path}: {e}; it is no picture, or Pillow lacks its format: save it as JPEG or PNG")
    with opened: picture, most = ImageOps.exif_transpose(opened), np.max(getattr(opened, "tag_v2", {}).get(281, 0))
    if picture.mode == "F": sys.exit(f"{path}: its pixels are floats of unknown range; save it with 8 or 16 bits")
    if picture.mode.startswith("I"):                                # as TIFF says, 8, 10, 12 or 16 bits, or from the lowest to the highest
        values = np.asarray(picture)
        low, high = min(int(values.min()), 0), int(values.max())
        if low == 0 and 0 < high <= most: high = int(most)
        elif low == 0 and high < 2**16: high = next(2**bits - 1 for bits in (8, 10, 12, 16) if high < 2**bits)
        picture = Image.fromarray((255 * ((values.astype(np.float32) - low) / max(high - low, 1))).round().astype(np.uint8))
    if picture.has_transparency_data:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"))


def landmarks(model, picture, box=None):
    "Names, xy (K, 2) px, score (K,), seen (K,) bool."
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    height, width = picture.shape[:2]
    box = np.float32(box or [-.5, -.5, width - .5, height - .5])
    return json.loads(session.get_modelmeta().custom_metadata_map["names"]), *session.run(None, {"picture": picture, "box": box})


def draw(picture, xy, seen):
    "The picture with a dot for each landmark."
    out, r = Image.fromarray(picture), max(2, min(picture.shape[:2]) // 80)
    pen = ImageDraw.Draw(out)
    for k, (x, y) in enumerate(xy.tolist()):
        colour = f"hsl({round(k * 222.5) % 360}, 90%, 50%)"
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour if seen[k] else None, outline="white" if seen[k] else colour)
    return out


def main(model, path, *box):
    if len(box) not in (0, 4): sys.exit("a box is four numbers: x0 y0 x1 y1")
    picture = read_picture(path)
    names, xy, score, seen = landmarks(model, picture, [float(v) for v in box])
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["name", "x", "y", "score", "seen"])
    table.writerows([n, f"{x:.3f}", f"{y:.3f}", f"{p:.4f}", int(s)] for n, (x, y), p, s in zip(names, xy, score, seen))
    draw(picture, xy, seen).save(os.path.splitext(os.path.basename(path))[0] + "_landmarks.png")


if __name__ == "__main__":
    if len(sys.argv) < 3: sys.exit(__doc__)
    sys.stdout.reconfigure(encoding="utf-8")
    main(*sys.argv[1:])
