import sys
from pathlib import Path
from tests.browser import a_browser, a_tab
from tests.console.running import a_console, PASSWORD
from tests.console.a_day import a_busy_morning
out=Path("shots"); out.mkdir(exist_ok=True)
import tempfile
def test_shots(sqlite_url, tmp_path):
    with a_console(sqlite_url, tmp_path) as c, a_browser() as b:
        keys=a_busy_morning(c.world)
        for dark in (False,True):
          with a_tab(b, dark=dark) as t:
            p=t.page
            p.goto(c.url+"/sign-in"); p.fill("[name=name]","operator"); p.fill("[name=password]",PASSWORD); p.click("button[type=submit]")
            for name,path in {"overview":"/","lanes":"/lanes","lane":"/lanes/deliver.sandbox","failures":"/failures","retrying":"/failures/retrying","failure":f"/failures/{keys[0]}","edit":f"/failures/{keys[0]}/edit","jobs":"/jobs","job":"/jobs/1","order":"/orders/shopify/8001","done":"/orders/shopify/7000","search":"/search?q=nix","audit":"/audit"}.items():
                r=p.goto(c.url+path)
                if not dark or name in ("overview","failure","order"):
                    p.wait_for_timeout(300)
                    p.screenshot(path=out/f"{name}{'-dark' if dark else ''}.png", full_page=True)
                print(name, r.status)
            print(t.complaints)
